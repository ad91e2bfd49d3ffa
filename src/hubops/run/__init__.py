"""The order of things: what happens to a hub, and to a fleet, step after step.

The only package whose modules call several stages.
"""

from hubops.run.attempt import Made
from hubops.run.fleet import Ways, deploy_in_turn, merge
from hubops.run.graph import MadeImage, make_images
from hubops.run.hub import Deployed, Terms, apply_people, deploy
from hubops.run.images import build_images, find_images, require_made
from hubops.run.looking import hub_logs, read_statuses
from hubops.run.order import find_commit, require_reproducible
from hubops.run.planning import plan_against, plan_hub, plan_removed
from hubops.run.release import deploy_chart
from hubops.run.session import Machine, Session, open_session, secret_values
from hubops.run.setup import check_setup

__all__ = [
    "Deployed",
    "Machine",
    "Made",
    "MadeImage",
    "Session",
    "Terms",
    "Ways",
    "apply_people",
    "build_images",
    "check_setup",
    "deploy",
    "deploy_chart",
    "deploy_in_turn",
    "find_commit",
    "find_images",
    "hub_logs",
    "make_images",
    "merge",
    "open_session",
    "plan_against",
    "plan_hub",
    "plan_removed",
    "read_statuses",
    "require_made",
    "require_reproducible",
    "secret_values",
]
