"""What course staff use beside nbgrader; never part of what a student installs."""
