"""Training for kilohear: data, networks, distillation, export."""
