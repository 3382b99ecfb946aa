"""The words of generated samples: what each label speaks of, and what everybody says. Frequent labels come first."""


def _table(text: str) -> dict[str, list[str]]:
    lines = (line.split(": ") for line in text.strip().splitlines())
    return {label: words.split() for label, words in lines}


def _words(text: str) -> list[str]:
    return text.split()


BOOK_WORDS = _table("""
fantasy: dragon wizard sword kingdom magic elves prophecy throne sorcerer quest spell enchanted realm goblin
historical_fiction: duchess court plantation medieval revolution tudor voyage century manor carriage regency queen
mystery: clue detective inspector murder sleuth village suspect riddle poirot alibi disappearance secret
romance: love heart wedding kiss passion bride duke desire handsome marriage lover billionaire
young_adult: teenage school summer prom girl sixteen crush graduation friends senior sister rebel
childrens: bunny bear bedtime puppy mouse rhyme illustrated kitten farm little duck picture
thriller: assassin conspiracy bomb agent hostage spy deadline chase terrorist cia hunted deadly
science_fiction: spaceship alien planet robot galaxy android starship colony cyborg mars orbit future
crime: police gangster heist prison detective drug murder cop trial mafia killer robbery
history: empire ancient rome historian archives dynasty civilization treaty chronicle century colonial revolution
humor: hilarious funny jokes absurd satire laugh witty comic ridiculous wacky humour farce
politics_society: democracy capitalism inequality government feminist policy race economy workers justice power
biography_memoir: life childhood memoir diary autobiography career born letters mother fame journey family
short_stories: stories collection tales anthology vignettes fables short pieces gathered selected twelve storyteller
horror: haunted vampire terror zombie demon blood nightmare ghost evil monster scream grave
philosophy: ethics reason metaphysics nietzsche truth existence morality plato logic being knowledge socrates
war: soldiers battle army nazi trenches general bomber regiment front invasion troops soldier
lgbt: gay queer lesbian transgender coming-out pride bisexual drag boyfriend identity closet gender
religion: god faith prayer church bible jesus spiritual soul gospel christian buddha grace
plays_drama: stage play act tragedy scene theatre playwright comedy actors shakespeare curtain broadway
poetry: poems verse poet sonnet lyric stanza haiku rhyme elegy ode poetry metaphor
psychology_self_help: habits mind success anxiety therapist happiness brain motivation mindfulness behavior goals
comics: superhero batman manga graphic panels villain issue joker marvel artist mutant volume
science: physics quantum evolution biology universe genes cosmos einstein darwin experiment theory particles
""")
BOOK_PAIRS = _table("""
fantasy: young_adult romance science_fiction
historical_fiction: romance war history
mystery: crime thriller
romance: historical_fiction young_adult
young_adult: fantasy lgbt
childrens: humor fantasy
thriller: mystery crime
science_fiction: fantasy short_stories
crime: mystery thriller
history: war politics_society biography_memoir
politics_society: history philosophy
biography_memoir: history lgbt
horror: short_stories thriller
war: history historical_fiction
philosophy: religion science
""")
"""Label -> the labels it often comes with."""

PAPER_WORDS = _table("""
cs.CV: image video segmentation camera visual pixel detection scene depth pose diffusion rendering
cs.AI: agent planning reasoning knowledge autonomous symbolic agents decision intelligence tool workflow goals
cs.CL: language translation linguistic corpus token dialogue multilingual sentence text llm prompt speech
cs.LG: learning gradient training neural generalization classifier reinforcement embedding loss regularization batch
cond-mat.mtrl-sci: alloy crystal lattice perovskite phonon dft diffraction film doping bandgap defects ferroelectric
quant-ph: qubit entanglement quantum circuit decoherence photon measurement hamiltonian teleportation gate bell noise
cs.RO: robot manipulation grasp locomotion navigation arm quadruped slam trajectory drone gripper teleoperation
cond-mat.mes-hall: graphene nanowire spin hall moire quantum-dot junction tunneling edge topological skyrmion valley
cond-mat.str-el: hubbard mott kondo magnon correlated frustrated antiferromagnet fermion kagome dmrg spinon doping
cs.HC: user interface participants interaction accessibility usability interview designers wearable virtual-reality
cond-mat.stat-mech: entropy ising thermodynamic fluctuation equilibrium percolation diffusion critical universality
cs.CR: attack encryption malware privacy adversary cryptographic vulnerability backdoor authentication secure
cs.IT: channel coding decoding antenna capacity mimo codes wireless rate-distortion beamforming codeword entropy
eess.IV: mri ct reconstruction denoising ultrasound tomography super-resolution scan lesion radiology compression
cs.IR: recommendation retrieval ranking query search item click collaborative user documents relevance index
stat.ML: bayesian posterior kernel variational estimator gaussian-process causal regret bandit sampling inference
cs.SE: software code bug developers repository testing refactoring commit compiler debugging program api
eess.SY: controller stability grid power feedback actuator lyapunov voltage plant control battery converter
cs.SY: controller lyapunov predictive-control observer closed-loop stability feedback control setpoint state-space
math.OC: convex optimization convergence constraint minimization duality gradient proximal saddle lagrangian optimal
cs.SD: audio music sound acoustic melody speaker spectrogram singing instrument reverberation noise listening
physics.optics: laser fiber waveguide photonic metasurface wavelength cavity beam soliton resonator optical
hep-th: string supersymmetry holography brane gauge anomaly conformal black-hole duality field-theory vacuum ads
q-bio.NC: cortex neuron brain eeg spiking synapse cognitive hippocampus memory fmri stimulus neural
""")
PAPER_PAIRS = _table("""
cs.CV: cs.AI cs.LG eess.IV cs.RO
cs.AI: cs.CL cs.LG cs.HC
cs.CL: cs.AI cs.IR cs.LG
cs.LG: stat.ML cs.AI math.OC
cond-mat.mtrl-sci: cond-mat.mes-hall cond-mat.str-el
quant-ph: cond-mat.stat-mech physics.optics
cs.RO: cs.AI eess.SY cs.CV
cond-mat.mes-hall: cond-mat.mtrl-sci quant-ph
cond-mat.str-el: cond-mat.stat-mech quant-ph
cs.CR: cs.LG cs.SE
eess.IV: cs.CV
stat.ML: cs.LG
cs.SY: math.OC cs.RO
eess.SY: math.OC cs.RO
cs.SD: cs.CL cs.LG
q-bio.NC: cs.LG
hep-th: quant-ph
""")

FILLERS = _words("""
    the a and of to in is was with for on his her from that when who one by as it but not all an at be this
    their has they he she into out only will can must never always day night city world man woman people time
    house road town year new old long last first young great small dark strange finds begins becomes turns
    learns returns leaves discovers before after between among against until while yet still once again every
    more than
""")
SCIENCE_FILLERS = _words("""
    the a and of to in is we with for on from that when by as it but not an at be this our which these can show
    propose present method approach results model study work paper novel based using both large small different
    existing however significantly improve analysis data problem performance experiments demonstrate between
    than under over high low several general recent here first new two set case effect parameters framework
    provide
""")
AUTHORS = [
    "Ada Brook", "Jun Ito", "Maria Souza", "Émile Grand", "Olu Adeyemi", "Ruth Stein", "Ivan Petrov", "Noor Khan",
    "Lucy Hale", "Tom O&#39;Hara", "Sofía Núñez", "Wei Zhang", "Karin Berg", "", "Ben Moss", "Dora Kiss",
]  # fmt: skip
