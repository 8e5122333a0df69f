"""What runs behind the wall, and all of grader that student code can read."""
