"""CLIP: learned from shards, judged by zero-shot classification.

OpenMP reads its environment when torch is loaded, so this stands before all modules that load it:
threads that wait shall sleep. Spinning ones made a step 15 times as long on two shared cores.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
