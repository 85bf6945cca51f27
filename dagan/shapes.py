"""The array shapes that signatures speak of; beartype checks them in test runs, never in a training."""

from jaxtyping import Float, Int64
from torch import Tensor

Images = Float[Tensor, "batch channels height width"]
"""In [−1, 1]."""
PicturesOfLatents = Float[Tensor, "latents classes channels height width"]
Labels = Int64[Tensor, " batch"]
Logits = Float[Tensor, "batch outputs"]
"""2K outputs: "real and of class i" for i < K, then "generated and of class i − K". Plain classifiers have K."""
ClassLogits = Float[Tensor, "batch classes"]
ClassShares = Float[Tensor, "batch classes"]
"""How much of each image, or of its label, is of which class; rows sum to 1."""
Features = Float[Tensor, "batch features"]
Latents = Float[Tensor, "batch latent"]
LatentPath = Float[Tensor, "places latent"]
Scalar = Float[Tensor, ""]
RealFeatures = Float[Tensor, "real features"]
GeneratedFeatures = Float[Tensor, "generated features"]
