/*
 * Semihosting (Arm's specification, version 2.0): files and the command line of the host that runs QEMU. A chip without a debugger
 * stops at the first call.
 */
#ifndef TALLYSTICK_SEMIHOSTING_H
#define TALLYSTICK_SEMIHOSTING_H

#include <stdbool.h>
#include <stdint.h>

enum host_mode { HOST_READ = 1, HOST_CHANGE = 3, HOST_CREATE = 7 };

/* A handle, or below zero. */
int32_t host_open(const char *path, enum host_mode mode);
void host_close(int32_t file);
bool host_read(int32_t file, uint32_t offset, uint8_t *bytes, uint32_t length);
bool host_write(int32_t file, uint32_t offset, const uint8_t *bytes, uint32_t length);

/* What QEMU was given as arguments, joined by blanks. */
bool host_command_line(char *text, uint32_t length);

/* Writes to QEMU's error stream. */
void host_say(const char *text);

/* Ends QEMU. */
_Noreturn void host_exit(uint32_t status);

#endif
