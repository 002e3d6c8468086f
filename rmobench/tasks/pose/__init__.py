"""Motion of a person, fitted under the laws of mechanics."""
