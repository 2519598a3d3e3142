"""The screens that both phone apps and the desktop preview share: Kivy over the SDK."""
