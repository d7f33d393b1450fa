"""What is odd about users and sessions: named rules, and a model of a project's sessions."""
