/*
 * The firmware as a program: elements in folders, APDUs on standard input and output.
 *
 *   tallystick --folder FOLDER [--applets NAME[,NAME]...] [--seed TEXT] [--clock FILE]
 *
 * `--seed` takes random bytes from a text, so that a run can be repeated: for tests, never for real money. With it time stands
 * still, unless `--clock` names a file of eight bytes, milliseconds with the lowest byte first, which is read at each question.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "boards/board.h"
#include "boards/common/listed.h"
#include "boards/common/seeded-random.h"
#include "card/stream.h"
#include "files.h"
#include "folder.h"
#include "wasm/applets.h"

#define CLOCK_FILE_BYTES 8
#define EXIT_MISTAKE 2

struct options {
  const char *folder;
  const char *applets;
  const char *seed;
  const char *clock;
};

static struct options options;

bool board_receive(uint8_t *bytes, size_t length) {
  for (size_t offset = 0; offset < length;) {
    ssize_t count = read(STDIN_FILENO, bytes + offset, length - offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    offset += (size_t)count;
  }
  return true;
}

bool board_send(const uint8_t *bytes, size_t length) {
  return file_write(STDOUT_FILENO, bytes, length);
}

enum board_random_source board_random_source(void) {
  return options.seed != NULL ? BOARD_RANDOM_SEEDED : BOARD_RANDOM_FIT;
}

bool board_random(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  if (options.seed != NULL) return seeded_random_block(block);
  return getrandom(block, BOARD_RANDOM_BLOCK_BYTES, 0) == BOARD_RANDOM_BLOCK_BYTES;
}

/* Time stands still where the file cannot be read: a test that needs it to pass then fails. */
static uint64_t clock_file_ms(void) {
  static uint64_t last_ms;
  uint8_t bytes[CLOCK_FILE_BYTES];
  if (file_read(options.clock, bytes, sizeof bytes) == FILE_READ) {
    last_ms = 0;
    for (unsigned i = sizeof bytes; i > 0; i--) last_ms = last_ms << 8 | bytes[i - 1];
  }
  return last_ms;
}

uint64_t board_time_ms(void) {
  if (options.clock != NULL) return clock_file_ms();
  if (options.seed != NULL) return 0;
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) abort();
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool board_has_applet(uint32_t applet) {
  if (options.applets == NULL) return true;
  for (uint32_t i = 0; i < applets_count; i++) {
    if (applet_number(i) == applet) return is_listed(options.applets, applet_name(i));
  }
  return false;
}

static bool read_options(int count, char **values) {
  for (int i = 1; i < count; i += 2) {
    const char *value = i + 1 < count ? values[i + 1] : NULL;
    if (value == NULL) return false;
    if (strcmp(values[i], "--folder") == 0) options.folder = value;
    else if (strcmp(values[i], "--applets") == 0) options.applets = value;
    else if (strcmp(values[i], "--seed") == 0) options.seed = value;
    else if (strcmp(values[i], "--clock") == 0) options.clock = value;
    else return false;
  }
  return options.folder != NULL;
}

int main(int count, char **values) {
  if (!read_options(count, values)) {
    (void)fprintf(stderr, "tallystick --folder FOLDER [--applets NAME[,NAME]...] [--seed TEXT] [--clock FILE]\n");
    return EXIT_MISTAKE;
  }
  /* A reader that is gone is the end of the stream. */
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) return EXIT_FAILURE;
  if (options.seed != NULL) seeded_random_start(options.seed);
  uint32_t opened = 0;
  bool is_open = true;
  for (; is_open && opened < applets_count; opened++) {
    if (board_has_applet(applet_number(opened))) is_open = folder_open(opened, options.folder, applet_name(opened));
  }
  if (is_open) stream_serve();
  else opened--;
  for (uint32_t i = 0; i < opened; i++) {
    if (board_has_applet(applet_number(i))) folder_close(i);
  }
  return is_open ? EXIT_SUCCESS : EXIT_FAILURE;
}
