"""The report of a load as one HTML file that needs nothing else."""

from bench.load_generator.html_report.page import knee_page, load_page

__all__ = ["knee_page", "load_page"]
