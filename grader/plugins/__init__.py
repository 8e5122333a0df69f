"""What nbgrader_config.py hands to nbgrader."""
