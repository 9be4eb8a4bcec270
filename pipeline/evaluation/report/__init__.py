"""The report: one HTML page that needs no network; pictures and styles are inside it.

Tables and figures come from the stages; here they only become a page. Templates are the .html files.
"""

__all__ = ["charts", "data_page", "page"]
