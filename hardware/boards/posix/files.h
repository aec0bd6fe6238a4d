/* Files as the folder of an element needs them: read and written whole, replaced as one. */
#ifndef TALLYSTICK_FILES_H
#define TALLYSTICK_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_BYTES_MAX 1024

/* PARENT/NAME, or false when it is too long. */
bool file_path(char path[PATH_BYTES_MAX], const char *parent, const char *name);

enum file_state { FILE_READ, FILE_ABSENT, FILE_UNUSABLE };

/* Reads a file of exactly this length. */
enum file_state file_read(const char *path, uint8_t *bytes, size_t length);

/* Writes another file beside it, and renames that. */
bool file_replace(const char *path, const uint8_t *bytes, size_t length);

bool file_read_at(int descriptor, uint8_t *bytes, size_t length, size_t offset);
bool file_write_at(int descriptor, const uint8_t *bytes, size_t length, size_t offset);
bool file_write(int descriptor, const uint8_t *bytes, size_t length);

#endif
