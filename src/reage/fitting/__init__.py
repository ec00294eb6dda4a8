"""Directions and distributions of people, fitted on data."""
