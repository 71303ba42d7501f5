"""The staff pages, the JSON API and the snapshot files, over HTTP on this machine."""
