"""Run the fused operator for ARM64 on a machine of another architecture, in QEMU's user mode."""
