#include "semihosting.h"

#include <string.h>

#define SYS_OPEN 0x01
#define SYS_CLOSE 0x02
#define SYS_WRITE0 0x04
#define SYS_WRITE 0x05
#define SYS_READ 0x06
#define SYS_SEEK 0x0a
#define SYS_GET_CMDLINE 0x15
#define SYS_EXIT_EXTENDED 0x20
#define STOPPED_APPLICATION_EXIT 0x20026

static int32_t host_call(uint32_t operation, const void *block) {
#if defined(__arm__)
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = block;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return (int32_t)r0;
#elif defined(__riscv)
  register uint32_t a0 __asm__("a0") = operation;
  register const void *a1 __asm__("a1") = block;
  /* The two beside it say that this is a call, and all three must be of 32 bits, in one page. */
  __asm__ volatile(
      ".balign 16\n"
      ".option push\n"
      ".option norvc\n"
      "slli zero, zero, 0x1f\n"
      "ebreak\n"
      "srai zero, zero, 7\n"
      ".option pop\n"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return (int32_t)a0;
#else
#error "no way to the host is known for this core"
#endif
}

int32_t host_open(const char *path, enum host_mode mode) {
  uint32_t block[] = {(uint32_t)path, (uint32_t)mode, (uint32_t)strlen(path)};
  return host_call(SYS_OPEN, block);
}

void host_close(int32_t file) {
  uint32_t block[] = {(uint32_t)file};
  (void)host_call(SYS_CLOSE, block);
}

static bool seek(int32_t file, uint32_t offset) {
  uint32_t block[] = {(uint32_t)file, offset};
  return host_call(SYS_SEEK, block) == 0;
}

/* Both answer how many bytes were left. */
bool host_read(int32_t file, uint32_t offset, uint8_t *bytes, uint32_t length) {
  uint32_t block[] = {(uint32_t)file, (uint32_t)bytes, length};
  return seek(file, offset) && host_call(SYS_READ, block) == 0;
}

bool host_write(int32_t file, uint32_t offset, const uint8_t *bytes, uint32_t length) {
  uint32_t block[] = {(uint32_t)file, (uint32_t)bytes, length};
  return seek(file, offset) && host_call(SYS_WRITE, block) == 0;
}

bool host_command_line(char *text, uint32_t length) {
  uint32_t block[] = {(uint32_t)text, length};
  return host_call(SYS_GET_CMDLINE, block) == 0;
}

void host_say(const char *text) {
  (void)host_call(SYS_WRITE0, text);
}

_Noreturn void host_exit(uint32_t status) {
  uint32_t block[] = {STOPPED_APPLICATION_EXIT, status};
  for (;;) (void)host_call(SYS_EXIT_EXTENDED, block);
}
