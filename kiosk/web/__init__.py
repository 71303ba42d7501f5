"""The kiosk's screen: a page for the browser on the same machine, told by server-sent events."""
