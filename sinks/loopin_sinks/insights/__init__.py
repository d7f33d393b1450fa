"""What is found about a project's metrics: days that are unusual, targets that are missed."""
