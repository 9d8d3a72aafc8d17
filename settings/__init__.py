"""The settings of the operator, the rules for listening to other machines, and the setup of the logs."""
