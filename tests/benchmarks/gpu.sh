#!/usr/bin/env bash
# Everything that waits for a GPU, in one call; needs torch, torchvision and what dagan itself needs, no Ray, no W&B.
#
#   tests/benchmarks/gpu.sh OUT [SECONDS] [PROCESSES] [data.KEY=VALUE …]
#
# The engine against plain PyTorch and against the peak; then CIFAR-10 at 50 and 100 per class, all ten methods, as many
# seeds as fit into SECONDS (600) each, beside Table 3. Stage 1 is 200 epochs and stage 2 is 500, as in the paper; plain
# classifiers get the 600 epochs of its baseline. PROCESSES (8) trainings share the device. Give for example
# data.folder=cifar10-jpeg.zip data.dataset=cifar10-jpeg where the data set lies elsewhere than in ./data.
# The same call again goes on where the time ended.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1 seconds=${2:-600} processes=${3:-8}
shift; shift || true; shift || true
export PYTHONPATH=$here/../..:${PYTHONPATH:-}
mkdir -p "$out"
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
for precision in bfloat16 float32; do
    python "$here/engine.py" --device cuda --precision $precision --threads 4 --rounds 9 --steps 20
done
for n in 50 100; do
    epoch=$((n / 10)) # batches of 100 among 10·n images
    common=(--out "$out/cifar10-n$n.jsonl" --seeds 100 --processes "$processes" --with dagan)
    sizes=(data.samples_per_class=$n gan.iterations=$((200 * epoch)) "$@" compute.device=cuda)
    python "$here/methods.py" "$here/cifar10-paper.yaml" "${common[@]}" --seconds $((seconds / 8)) \
        --methods c c_aug --set "${sizes[@]}" classifier.iterations=$((600 * epoch)) >/dev/null
    python "$here/methods.py" "$here/cifar10-paper.yaml" "${common[@]}" --seconds $((seconds * 7 / 8)) \
        --methods vanilla_gan cgan semi_gan dagan dagan_aug vanilla_gan_aug cgan_aug semi_gan_aug \
        --set "${sizes[@]}" classifier.iterations=$((500 * epoch))
done
