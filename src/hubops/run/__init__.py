"""The order of things: what happens to a hub, and to a fleet, step after step.

The only package whose modules call several stages.
"""

from hubops.run.archive import Made as ArchiveMade
from hubops.run.archive import archive_hub
from hubops.run.fleet import Ways, deploy_in_turn, merge
from hubops.run.hub import Deployed, Terms, deploy
from hubops.run.images import build_images, find_images, try_image
from hubops.run.looking import hub_logs, read_statuses
from hubops.run.order import find_commit, require_reproducible
from hubops.run.planning import plan_against, plan_hub, plan_removed
from hubops.run.release import deploy_chart
from hubops.run.removal import look_at_remains, remove_hub
from hubops.run.restore import restore_hub
from hubops.run.session import Machine, Session, check_setup, leaves, open_session, secret_values
from hubops.run.verify import verify_hub

__all__ = [
    "ArchiveMade",
    "Deployed",
    "Machine",
    "Session",
    "Terms",
    "Ways",
    "archive_hub",
    "build_images",
    "check_setup",
    "deploy",
    "deploy_chart",
    "deploy_in_turn",
    "find_commit",
    "find_images",
    "hub_logs",
    "leaves",
    "look_at_remains",
    "merge",
    "open_session",
    "plan_against",
    "plan_hub",
    "plan_removed",
    "read_statuses",
    "remove_hub",
    "require_reproducible",
    "restore_hub",
    "secret_values",
    "try_image",
    "verify_hub",
]
