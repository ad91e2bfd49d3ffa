"""How Sphinx builds these pages. A warning is a failure: see tests/cluster/test_docs.py."""

project = "hubops"
project_copyright = "the hubops authors"

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
exclude_patterns = ["_build"]

# A heading is a place that a link may name, and one that names no place fails the build.
myst_heading_anchors = 3

html_theme = "furo"
html_title = "hubops"
html_copy_source = False
html_show_sphinx = False
