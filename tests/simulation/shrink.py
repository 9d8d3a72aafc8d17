"""Reduces a plan that shows a violation to a smaller plan, so that a person can understand it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.plan import Plan


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """A smaller plan for which `fails` is still true: no part of it can be removed."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(plan):
            if fails(candidate):
                plan, smaller = candidate, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Plans with one part removed or simplified, the largest parts first."""
    for index in range(len(plan.incidents)):
        yield replace(plan, incidents=plan.incidents[:index] + plan.incidents[index + 1 :])
    for index in range(len(plan.orders)):
        yield replace(plan, orders=plan.orders[:index] + plan.orders[index + 1 :])
    for index in range(len(plan.jobs)):
        yield replace(plan, jobs=plan.jobs[:index] + plan.jobs[index + 1 :])
    for index in range(len(plan.volleys)):
        yield replace(plan, volleys=plan.volleys[:index] + plan.volleys[index + 1 :])
    for index in range(len(plan.half_presses)):
        yield replace(plan, half_presses=plan.half_presses[:index] + plan.half_presses[index + 1 :])
    for index in range(len(plan.movies)):
        yield replace(plan, movies=plan.movies[:index] + plan.movies[index + 1 :])
    used = (
        {job.camera for job in plan.jobs}
        | {camera for volley in plan.volleys for camera in volley.cameras}
        | {press.camera for press in plan.half_presses}
        | {movie.camera for movie in plan.movies}
        | {order.camera for order in plan.orders}
        | {incident.camera for incident in plan.incidents}
    )
    if len(plan.cameras) > 1 and used <= {0}:
        yield replace(plan, cameras=plan.cameras[:1])
    if plan.files_before:
        yield replace(plan, files_before=0)
    for index, camera in enumerate(plan.cameras):
        for simpler in (
            replace(camera, raw=False), replace(camera, to_ram=False), replace(camera, noise_reduction=False),
        ):  # fmt: skip
            if simpler != camera:
                yield replace(plan, cameras=(*plan.cameras[:index], simpler, *plan.cameras[index + 1 :]))
    for index, order in enumerate(plan.orders):
        for easier in (
            replace(order, settings=order.settings[:-1]), replace(order, download="none"),
            replace(order, save=False, keep_on_camera=True), replace(order, key=False), replace(order, leaves_after_s=None),
        ):  # fmt: skip
            if easier != order:
                yield replace(plan, orders=(*plan.orders[:index], easier, *plan.orders[index + 1 :]))
    for index, volley in enumerate(plan.volleys):
        for plainer in (
            replace(volley, cameras=volley.cameras[:1], all_cameras=False, offsets_ms=()), replace(volley, half_press=False),
            replace(volley, offsets_ms=()), replace(volley, settings=()), replace(volley, save=False),
            replace(volley, key=False), replace(volley, leaves_after_s=None), replace(volley, missing="skip"),
        ):  # fmt: skip
            if plainer != volley:
                yield replace(plan, volleys=(*plan.volleys[:index], plainer, *plan.volleys[index + 1 :]))
    for index, movie in enumerate(plan.movies):
        if movie.stops_after_s is not None:
            unstopped = replace(movie, stops_after_s=None)
            yield replace(plan, movies=(*plan.movies[:index], unstopped, *plan.movies[index + 1 :]))
