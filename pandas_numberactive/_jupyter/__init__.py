"""Widgets for the notebook, from core ipywidgets alone: they work where no CDN can be reached."""
