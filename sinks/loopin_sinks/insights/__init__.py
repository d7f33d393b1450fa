"""What is found about a project: days that are unusual, targets that are missed, users who changed."""
