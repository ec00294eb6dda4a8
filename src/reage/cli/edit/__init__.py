"""Commands that re-age photos and videos."""
