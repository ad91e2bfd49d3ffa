"""Deploy and operate JupyterHubs from one git repository."""

__version__ = "0.1.0"
