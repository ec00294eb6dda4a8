"""Files made from results: strips, animations, sheets, projects."""
