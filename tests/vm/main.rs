//! The static binary in virtual machines that have a kernel, busybox and little else: old kernels and new ones, other roots
//! than a disk's, no cgroups, no modules, power cuts. QEMU without hardware help: a boot takes 4 seconds and what runs in it
//! is ten times slower than outside, so many checks go into one boot (the scripts in guest/).

mod initramfs;
mod machine;
mod writelog;

mod arm64;
mod bare;
mod boot;
mod functional;
mod inits;
mod missing;
mod power;
