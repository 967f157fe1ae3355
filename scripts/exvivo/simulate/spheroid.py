"""A spheroid in three dimensions: where its nuclei are, and what state each is in.

A spheroid is a list of bodies (nuclei and fragments of nuclei): ellipsoids with a position in µm, two
lateral semi-axes, a height, an orientation, an amount of stain and a texture. Positions come from a
jittered lattice, nearest points first, so that nuclei do not overlap and a size in cells is a size in µm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exvivo.simulate.parameters import Appearance, DeathStyle, WellState
from exvivo.simulate.phenotypes import PHENOTYPES, Phenotype

Array = NDArray[np.float64]
LIVING, APOPTOTIC, NECROTIC, DETACHED, MISSING = range(5)


@dataclass(frozen=True)
class Bodies:
    """Stained bodies of one well, arrays (n,).

    Attributes: `x`, `y`, `z` in µm from the well's centre, z upwards from the spheroid's middle; `a`, `b`
    lateral semi-axes in µm; `angle` of `a` in radians; `dna` stain relative to a nucleus of the line;
    `texture` amplitude 0 to 1.
    """

    x: Array
    y: Array
    z: Array
    a: Array
    b: Array
    angle: Array
    dna: Array
    texture: Array

    def __len__(self) -> int:
        return len(self.x)

    def pick(self, index: NDArray) -> Bodies:
        """Return the bodies at `index`, which may repeat some or be a mask."""
        return Bodies(**{name: getattr(self, name)[index] for name in self.__dataclass_fields__})


def grow_spheroid(
    appearance: Appearance, state: WellState, rng: np.random.Generator
) -> tuple[Bodies, float]:
    """Return the bodies of one well and the radius of its healthy spheroid in µm.

    The share 1 - viability of the cells is lost, by the fates of the well's phenotype, on top of the sample's
    own baseline of dead cells. An empty well has no bodies.
    """
    phenotype = PHENOTYPES[state.phenotype]
    loss = 1.0 - min(max(state.viability, 0.0), 1.0)
    count = max(3, round(appearance.cells * np.exp(rng.normal(0.0, appearance.cells_cv))))
    spacing = appearance.spacing * np.exp(rng.normal(0.0, appearance.spacing_cv))
    points, radius = _packed_points(appearance, count, spacing, rng)
    fate = _fates(appearance, phenotype, loss, count, rng)
    bodies = _living_nuclei(appearance, points, loss, phenotype, rng)
    bodies = _scatter(bodies, appearance, phenotype, loss, fate, radius, rng)
    bodies = _kill(bodies, appearance.death, phenotype.stain, fate, rng)
    if state.faults.empty:
        bodies = bodies.pick(np.zeros(len(bodies), dtype=bool))
    extra = [_debris(appearance, radius, rng)]
    if state.faults.fibre:
        extra.append(_fibre(radius, rng))
    return _joined([bodies, *extra]), radius


def _packed_points(
    appearance: Appearance, count: int, spacing: float, rng: np.random.Generator
) -> tuple[Array, float]:
    """Return `count` points (count, 3) of a jittered, randomly turned lattice within a lobed ellipsoid."""
    reach = int(np.ceil((count / appearance.flatness) ** (1 / 3))) + 2
    axis = np.arange(-reach, reach + 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[grid.sum(axis=1) % 2 == 0]  # face-centred cubic: the densest packing of spheres
    points = grid * (spacing / np.sqrt(2.0)) + rng.uniform(-0.5, 0.5, 3) * spacing
    points = points @ _random_rotation(rng).T
    points += rng.normal(0.0, appearance.disorder * spacing, points.shape)
    distance = np.linalg.norm(points / [1.0, 1.0, appearance.flatness], axis=1)
    order = np.argsort(distance / _outline(points, appearance.lobes, rng))[:count]
    return points[order], float(np.quantile(distance[order], 0.98))


def _random_rotation(rng: np.random.Generator) -> Array:
    matrix, triangle = np.linalg.qr(rng.normal(size=(3, 3)))
    return matrix * np.sign(np.diag(triangle))


def _outline(points: Array, lobes: float, rng: np.random.Generator) -> Array:
    """Return the relative radius of the spheroid in the direction of each point: a few smooth lobes."""
    direction = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    outline = np.ones(len(points))
    for _ in range(5):
        axis = rng.normal(size=3)
        wave = np.cos(rng.uniform(1.5, 4.0) * direction @ axis + rng.uniform(0, 2 * np.pi))
        outline += lobes / np.sqrt(2.0) * wave
    return np.maximum(outline, 0.4)


def _fates(
    appearance: Appearance,
    phenotype: Phenotype,
    loss: float,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw the fate of each cell. Baseline death is apoptotic, as in any culture."""
    baseline = np.clip(rng.normal(appearance.baseline_death, appearance.baseline_sd), 0.0, 0.5)
    shares = [phenotype.apoptotic, phenotype.necrotic, phenotype.detached, phenotype.missing]
    lost = rng.random(count) < loss
    fate = np.where(lost, rng.choice([1, 2, 3, 4], size=count, p=shares), LIVING)
    return np.where(~lost & (rng.random(count) < baseline), APOPTOTIC, fate)


def _living_nuclei(
    appearance: Appearance,
    points: Array,
    loss: float,
    phenotype: Phenotype,
    rng: np.random.Generator,
) -> Bodies:
    """Give each point a nucleus of the main or of the small population, with sub-lethal changes."""
    count = len(points)
    share = np.clip(rng.normal(appearance.small_share, appearance.small_sd), 0.0, 1.0)
    small = rng.random(count) < share

    def draw(name: str) -> Array:
        return np.where(small, getattr(appearance.small, name), getattr(appearance.nuclei, name))

    change = 1.0 + (phenotype.growth - appearance.death.condensation) * loss
    radius = draw("radius") * np.exp(rng.normal(size=count) * draw("radius_cv")) * change
    stretch = np.sqrt(1.0 + np.abs(rng.normal(size=count)) * draw("elongation"))
    dna = draw("dna") * np.exp(rng.normal(size=count) * draw("dna_cv"))
    x, y, z = points.T
    return Bodies(
        x=x,
        y=y,
        z=z,
        a=radius * stretch,
        b=radius / stretch,
        angle=rng.uniform(0.0, np.pi, count),
        dna=dna,
        texture=draw("texture") * (1.0 + 0.5 * loss),
    )


def _scatter(
    bodies: Bodies,
    appearance: Appearance,
    phenotype: Phenotype,
    loss: float,
    fate: NDArray[np.int64],
    radius: float,
    rng: np.random.Generator,
) -> Bodies:
    """Move cells outwards: stragglers of the sample, loosening of a dying spheroid, detached cells.

    What has left the spheroid sinks to the bottom of the well, below the spheroid's middle.
    """
    count = len(bodies)
    straggling = np.clip(rng.normal(appearance.stragglers, appearance.stragglers_sd), 0.0, 0.6)
    away = np.where(rng.random(count) < straggling, rng.exponential(0.45 * radius, count), 0.0)
    pull = np.where(fate == LIVING, 0.35, 1.0) * loss * phenotype.loosening
    away += rng.exponential(1.0, count) * pull * appearance.death.loosening
    away += np.where(fate == DETACHED, rng.exponential(0.8 * radius, count), 0.0)
    direction = np.arctan2(bodies.y, bodies.x) + rng.normal(0.0, 0.35, count)
    sink = np.minimum(away / radius, 1.0)
    shrink = 1.0 - phenotype.contraction * loss
    floor = -appearance.flatness * radius + rng.normal(0.0, 3.0, count)
    return replace(
        bodies,
        x=bodies.x * shrink + away * np.cos(direction),
        y=bodies.y * shrink + away * np.sin(direction),
        z=bodies.z * shrink * (1.0 - sink) + floor * sink,
    )


def _kill(
    bodies: Bodies,
    style: DeathStyle,
    dye: float,
    fate: NDArray[np.int64],
    rng: np.random.Generator,
) -> Bodies:
    """Replace nuclei by what is left of them; condensed ones hold `dye` times the sample's usual stain."""
    count = len(bodies)
    dead = np.isin(fate, [APOPTOTIC, DETACHED])
    gone = (fate == MISSING) | ((fate == DETACHED) & (rng.random(count) < style.washed))
    # a quarter of the lysed nuclei has dissolved
    gone |= (fate == NECROTIC) & (rng.random(count) < 0.25)
    ghost = fate == NECROTIC
    shrink = np.where(dead, style.pyknotic_radius * np.exp(rng.normal(0.0, 0.12, count)), 1.0)
    scale = np.where(ghost, style.ghost_radius, shrink)
    stain = np.where(dead, dye * style.apoptotic_stain, np.where(ghost, style.ghost_stain, 1.0))
    changed = replace(
        bodies,
        a=np.where(dead, np.sqrt(bodies.a * bodies.b), bodies.a) * scale,
        b=np.where(dead, np.sqrt(bodies.a * bodies.b), bodies.b) * scale,
        dna=bodies.dna * stain,
        texture=np.where(dead | ghost, 0.0, bodies.texture),
    )
    broken = dead & (rng.random(count) < style.fragmented)
    return _fragment(changed, broken, gone, style, rng)


def _fragment(
    bodies: Bodies,
    broken: NDArray[np.bool_],
    gone: NDArray[np.bool_],
    style: DeathStyle,
    rng: np.random.Generator,
) -> Bodies:
    """Split `broken` nuclei into apoptotic bodies that share their stain; leave out what is `gone`."""
    low, high = style.fragments
    pieces = np.where(broken, rng.integers(low, high + 1, len(bodies)), 1) * ~gone
    parent = np.repeat(np.arange(len(bodies)), pieces)
    result = bodies.pick(parent)
    number, split = pieces[parent], broken[parent]
    weight = np.where(split, rng.uniform(0.5, 1.5, len(parent)), 1.0) / number
    size = np.cbrt(weight)  # volume shared, concentration kept
    reach = 0.9 * result.a * split
    return replace(
        result,
        x=result.x + rng.normal(0.0, 1.0, len(parent)) * reach,
        y=result.y + rng.normal(0.0, 1.0, len(parent)) * reach,
        z=result.z + rng.normal(0.0, 0.5, len(parent)) * reach,
        a=result.a * size,
        b=result.b * size,
        dna=result.dna * weight,
    )


def _debris(appearance: Appearance, radius: float, rng: np.random.Generator) -> Bodies:
    """Return specks of stained debris on the bottom of the well, around the spheroid."""
    count = rng.poisson(appearance.debris)
    away, turn = radius * rng.uniform(0.7, 2.6, count), rng.uniform(0.0, 2 * np.pi, count)
    size = rng.uniform(0.7, 1.8, count)
    return Bodies(
        x=away * np.cos(turn),
        y=away * np.sin(turn),
        z=np.full(count, -appearance.flatness * radius),
        a=size,
        b=size,
        angle=np.zeros(count),
        dna=rng.uniform(0.02, 0.12, count),
        texture=np.zeros(count),
    )


def _fibre(radius: float, rng: np.random.Generator) -> Bodies:
    """Return a bright, bent fibre across the well, as a chain of elongated bodies."""
    count = 80
    along = np.linspace(-2.2, 2.2, count) * radius
    bend = rng.uniform(-0.3, 0.3) * along**2 / radius + rng.uniform(-1.0, 1.0) * radius
    turn = rng.uniform(0.0, np.pi)
    slope = np.arctan2(np.gradient(bend), np.gradient(along))
    return Bodies(
        x=along * np.cos(turn) - bend * np.sin(turn),
        y=along * np.sin(turn) + bend * np.cos(turn),
        z=np.full(count, rng.uniform(-0.5, 0.5) * radius),
        a=np.full(count, 5.0),
        b=np.full(count, 2.0),
        angle=slope + turn,
        dna=np.full(count, 3.0),
        texture=np.zeros(count),
    )


def _joined(parts: list[Bodies]) -> Bodies:
    names = Bodies.__dataclass_fields__
    return Bodies(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})
