"""The one table of what an edit does to the label of a real image; augmentation and forging follow it.

The contest counts erased regions, cut-out parts, other backgrounds, injected artefacts and heavy filters as forgeries:
17 to 19 % of its test fakes. So a cut-out on a real image that keeps its label teaches the opposite of the truth. What
cameras, networks and other tools do to any picture (compression, scale, colour, a little noise or blur) keeps it.

How little is little stands in the limits of config.augment. They were set below where data.forge begins: its mildest
filter blurs with a sigma of 2.7 pixels at 224, and real images of web collections are enlarged from a fifth of the
contest's 512 pixels.
"""

EXCISION, ERASURE, FILTERING = "component excision", "random region erasure", "image filtering"

# Operations of config.augment that are applied to fakes alone, with the forgery that they would make of a real image.
FOR_FAKES = {"parts": EXCISION, "cutout": ERASURE, "degrade": FILTERING}

# By family of config.forge: the contest's word for the fakes that it makes.
FAMILIES = {
    "self_blend": "face swap",  # the seams of one, on the same face
    "swap": "face swap",
    "component": "component swap",
    "excision": EXCISION,
    "erasure": ERASURE,
    "background": "background replacement",
    "artefact": "artefact injection",
    "filtering": FILTERING,
    "resampling": "face super-resolution",
}
