"""What a person configures in the UI: connections and feeds.

``prefect block register -m blocks`` makes all of them known to a server.
"""

from blocks.backup_store import BackupStore
from blocks.cadenza import CadenzaAccount
from blocks.feeds import CadenzaFeed, FileFeed
from blocks.ptolemy import PtolemyWorkspace
from blocks.rest_feed import RestFeed
from blocks.sql_feed import SqlFeed

__all__ = [
    "BackupStore",
    "CadenzaAccount",
    "CadenzaFeed",
    "FileFeed",
    "PtolemyWorkspace",
    "RestFeed",
    "SqlFeed",
]
