"""What every FuncGemma process shares: settings, messages, topics, the bus, and the brain (routing, replies)."""

__version__ = "0.1.0"
