"""What describes a simulated sample, its stain, its microscope and the state of a well: names and units.

The values are in `exvivo.simulate.samples`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Nuclei:
    """One population of living nuclei.

    Attributes: `radius` mean semi-axis in µm; `radius_cv` its coefficient of variation; `elongation` mean
    ratio of long to short axis minus one; `dna` stain bound by one nucleus relative to the line's;
    `dna_cv` its coefficient of variation (log-normal); `texture` amplitude of chromatin texture, 0 to 1.
    """

    radius: float
    radius_cv: float
    elongation: float
    dna: float
    dna_cv: float
    texture: float


@dataclass(frozen=True)
class DeathStyle:
    """How the cells of a sample look when they die, whatever killed them.

    Attributes: `pyknotic_radius` radius of a condensed nucleus relative to the living one; `fragments`
    smallest and largest number of apoptotic bodies; `fragmented` share of apoptotic nuclei that have
    broken up; `apoptotic_stain` stain of an apoptotic nucleus relative to the living one (its membrane
    lets in more dye); `ghost_radius`, `ghost_stain` the same for a lysed nucleus; `loosening` radial
    displacement of cells in a fully dead spheroid in µm; `washed` share of detached cells that leave the
    well with the medium; `condensation` shrinkage of the radius of still living nuclei as viability
    falls to 0.
    """

    pyknotic_radius: float
    fragments: tuple[int, int]
    fragmented: float
    apoptotic_stain: float
    ghost_radius: float
    ghost_stain: float
    loosening: float
    washed: float
    condensation: float


@dataclass(frozen=True)
class Appearance:
    """A cell line's or patient's spheroids without drug.

    Attributes: `cells` median number of nuclei in a healthy well and `cells_cv` its variation between
    wells; `spacing` distance of neighbouring nuclei in µm and `spacing_cv` its variation between wells;
    `disorder` random displacement of a nucleus in units of the spacing; `flatness` height over width of
    the spheroid; `lobes` relative depth of the outline's lobes; `stragglers` share of cells outside of
    the spheroid, `stragglers_sd` its standard deviation between wells; `baseline_death` share of dead
    cells without drug, `baseline_sd` its standard deviation between wells; `nuclei` the main population;
    `small` naturally small, bright, living cells (lymphoid, progenitor), `small_share` their share and
    `small_sd` its standard deviation between wells; `debris` mean number of stained specks in a well;
    `death` how they die.
    """

    name: str
    cells: float
    cells_cv: float
    spacing: float
    spacing_cv: float
    disorder: float
    flatness: float
    lobes: float
    stragglers: float
    stragglers_sd: float
    baseline_death: float
    baseline_sd: float
    nuclei: Nuclei
    small: Nuclei
    small_share: float
    small_sd: float
    debris: float
    death: DeathStyle


@dataclass(frozen=True)
class Stain:
    """The nuclear stain of one plate.

    Attributes: `electrons` signal of a nucleus of the line's radius, uniform DNA and full focus, at its
    centre, in photo-electrons; `well_cv` log-normal variation between wells; `gradient` change of the
    stain from one side of the plate to the other as a fraction; `edge` loss in the outermost imaged wells
    as a fraction; `background` unbound dye and medium in photo-electrons; `background_cv` its variation
    between wells; `cytoplasm` stain of the cell body relative to the nucleus, spread over the spheroid.
    """

    electrons: float
    well_cv: float
    gradient: float
    edge: float
    background: float
    background_cv: float
    cytoplasm: float


@dataclass(frozen=True)
class Optics:
    """Microscope and camera.

    Attributes: `field` side of the square image in µm; `step` distance of planes in µm; `sharpness`
    standard deviation of the in-focus point spread in µm; `spread` growth of that per µm of defocus;
    `section` standard deviation of the optical section in µm and `haze` share of light that the pinhole
    lets through from any depth; `depth` attenuation length in the spheroid in µm; `scatter` growth of the
    point spread per µm of depth; `vignette` loss of illumination in the corners as a fraction; `tilt`
    largest side gradient of the illumination within an image as a fraction, drawn per plate; `offset`
    grey value of a dark pixel; `gain` grey values per photo-electron; `read_noise` in photo-electrons;
    `focus_sd` focus error between wells and `centring_sd` displacement of spheroids, both in µm.
    """

    field: float
    step: float
    sharpness: float
    spread: float
    section: float
    haze: float
    depth: float
    scatter: float
    vignette: float
    tilt: float
    offset: float
    gain: float
    read_noise: float
    focus_sd: float
    centring_sd: float


@dataclass(frozen=True)
class Scene:
    """Everything that the wells of one sample on one microscope share."""

    appearance: Appearance
    stain: Stain
    optics: Optics


@dataclass(frozen=True)
class Imaging:
    """What the instrument writes per well.

    Attributes: `size` pixels along each side; `planes` of the z-stack; `sites` and `waves` per well;
    `projection`: the instrument also writes its own maximum projection, in ZStep_0.
    """

    size: int = 256
    planes: int = 5
    sites: int = 1
    waves: int = 1
    projection: bool = True


@dataclass(frozen=True)
class Faults:
    """Things that go wrong in single wells, as the image shows them.

    Attributes: `empty`: no spheroid; `fibre`: a bright fibre lies in the well; `defocus` in µm: the
    autofocus missed by so much.
    """

    empty: bool = False
    fibre: bool = False
    defocus: float = 0.0


NO_FAULT = Faults()


@dataclass(frozen=True)
class WellState:
    """The state of one well that an image is made of.

    Attributes: `viability` as a fraction of the healthy well; `phenotype` how its cells die, a name in
    `phenotypes.PHENOTYPES`; `glow` fluorescence of the compound itself relative to the stain's
    `electrons`, spread over cells and medium; `quench` share of the stain's signal that the compound
    takes away.
    """

    viability: float = 1.0
    phenotype: str = "apoptotic"
    glow: float = 0.0
    quench: float = 0.0
    faults: Faults = field(default=NO_FAULT)
