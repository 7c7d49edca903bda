"Packaging: everything it needs to know stands in settings.ini."
import shlex
from configparser import ConfigParser

from setuptools import find_packages, setup

parser = ConfigParser(delimiters=["="])
parser.read("settings.ini", encoding="utf-8")
settings = parser["DEFAULT"]
suffix = "_requirements"
extras = {
    key[: -len(suffix)]: shlex.split(settings[key]) for key in settings if key.endswith(suffix)
}
setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=open("README.md", encoding="utf-8").read(),
    long_description_content_type="text/markdown",
    author=settings["author"],
    license=settings["license"],
    keywords=settings["keywords"].split(),
    url=settings["git_url"],
    packages=find_packages(include=["lf2", "lf2.*"]),
    # makes pip install -e add this folder to sys.path; otherwise a clone named lf2 beside your
    # script would hide the package
    package_dir={"": "."},
    package_data={"lf2": ["py.typed", "templates/*"]},
    python_requires=">=" + settings["min_python"],
    install_requires=shlex.split(settings["requirements"]),
    extras_require=extras,
    entry_points={
        "console_scripts": settings["console_scripts"].split(),
        "nbdev": ["lf2=lf2._modidx:d"],
    },
    zip_safe=False,
)
