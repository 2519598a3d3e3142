// A plugin of QEMU's user emulation: the instructions between the runner's readings of the clock.
//
// The runner reads the raw monotonic clock before and after `forward`, each time by a system call:
// QEMU gives a program of 64-bit ARM no other way. At each reading the count so far is written, in
// decimal, a line each; a window's instructions are the difference of two.

#include <inttypes.h>
#include <stdio.h>

// Debian ships QEMU without its plugins' header. This is what is used of it, as
// https://www.qemu.org/docs/master/devel/tcg-plugins.html documents it.
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef struct qemu_info_t qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
typedef void (*translated_t)(qemu_plugin_id_t, struct qemu_plugin_tb*);
typedef void (*executed_t)(unsigned int, void*);
typedef void (*called_t)(qemu_plugin_id_t, unsigned int, int64_t, uint64_t, uint64_t, uint64_t,
                         uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_t);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb*, executed_t,
                                                 enum qemu_plugin_cb_flags, void*);
extern void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, called_t);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
extern void qemu_plugin_outs(const char*);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

// Of Linux on 64-bit ARM: include/uapi/asm-generic/unistd.h, include/uapi/linux/time.h.
enum { kClockGettime = 113, kMonotonicRaw = 4 };

static uint64_t instructions;

static void executed(unsigned int cpu, void* count) {
  (void)cpu;
  instructions += (uintptr_t)count;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, QEMU_PLUGIN_CB_NO_REGS,
                                       (void*)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void called(qemu_plugin_id_t id, unsigned int cpu, int64_t number, uint64_t a1, uint64_t a2,
                   uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)cpu;
  (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number != kClockGettime || a1 != kMonotonicRaw) return;
  char line[32];
  snprintf(line, sizeof line, "instructions %" PRIu64 "\n", instructions);
  qemu_plugin_outs(line);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const qemu_info_t* info, int argc,
                                                               char** argv) {
  (void)info, (void)argc, (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}
