"""The report: one HTML page that needs no network; pictures and styles are inside it."""
