"""What the operator decides: settings from the environment, what they allow to listen on, and how logs are written."""
