"""From YAML to a checked, immutable RuleSet: every problem at once, each at its line and column."""
