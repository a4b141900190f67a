"""What a person configures in the UI: connections and feeds.

``prefect block register -m blocks`` makes all of them known to a server.
"""

from blocks.backup_store import BackupStore
from blocks.feeds import FileFeed
from blocks.ptolemy import PtolemyWorkspace

__all__ = ["BackupStore", "FileFeed", "PtolemyWorkspace"]
