/*
 * The board of hardware/boards/esp32 as a program: ESP-IDF's main task, its clock and its random numbers.
 *
 *   --store FILE --clock FILE --seed TEXT --applets NAME[,NAME]... [--slow MS] [--fail-at NUMBER] [--stuck-at NUMBER]
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boards/common/seeded-random.h"
#include "bootloader_random.h"
#include "esp_mac.h"
#include "esp_random.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/task.h"
#include "options.h"

#define CLOCK_FILE_BYTES 8
#define EXIT_MISTAKE 2
#define EXIT_RESTARTED 3
#define US_PER_MS 1000
#define US_PER_S 1000000
#define NS_PER_US 1000

void app_main(void);

struct fake_options fake_options;
static pthread_t main_task;
static int has_noise;

static void fail(const char *what) {
  (void)fprintf(stderr, "fake: %s\n", what);
  exit(EXIT_FAILURE);
}

void bootloader_random_enable(void) {
  has_noise = 1;
}

/* Blocks are the platform's, and the simulator's too; nonces of registers come from elsewhere, and leave those as they are. */
void esp_fill_random(void *buf, size_t len) {
  static uint8_t nonce;
  if (!has_noise) fail("random bytes were asked for while nothing feeds the generator noise");
  if (len == BOARD_RANDOM_BLOCK_BYTES) {
    if (!seeded_random_block(buf)) fail("no seed");
    return;
  }
  memset(buf, ++nonce, len);
}

/* The card's thread has the clock that the test sets. The main task, which does the framing, has time that passes. */
int64_t esp_timer_get_time(void) {
  if (pthread_equal(pthread_self(), main_task)) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) fail("no clock");
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / NS_PER_US;
  }
  uint8_t bytes[CLOCK_FILE_BYTES];
  FILE *file = fopen(fake_options.clock, "rb");
  if (file == NULL || fread(bytes, sizeof bytes, 1, file) != 1 || fclose(file) != 0) fail("the clock cannot be read");
  uint64_t ms = 0;
  for (unsigned i = sizeof bytes; i > 0; i--) ms = ms << 8 | bytes[i - 1];
  return (int64_t)ms * US_PER_MS;
}

esp_err_t esp_efuse_mac_get_default(uint8_t *mac) {
  static const uint8_t fixed[] = {0x7c, 0xdf, 0xa1, 0x00, 0xbe, 0xef};
  memcpy(mac, fixed, sizeof fixed);
  return ESP_OK;
}

void esp_restart(void) {
  (void)fprintf(stderr, "fake: restarted\n");
  _exit(EXIT_RESTARTED);
}

void vTaskPrioritySet(TaskHandle_t task, UBaseType_t priority) {
  (void)priority;
  if (task != NULL) fail("only of the task that calls");
}

static int read_options(int count, char **values) {
  for (int i = 1; i + 1 < count; i += 2) {
    if (strcmp(values[i], "--store") == 0) fake_options.store = values[i + 1];
    else if (strcmp(values[i], "--clock") == 0) fake_options.clock = values[i + 1];
    else if (strcmp(values[i], "--seed") == 0) fake_options.seed = values[i + 1];
    else if (strcmp(values[i], "--applets") == 0) fake_options.applets = values[i + 1];
    else if (strcmp(values[i], "--slow") == 0) fake_options.slow_ms = (unsigned)strtoul(values[i + 1], NULL, 10);
    else if (strcmp(values[i], "--fail-at") == 0) fake_options.fail_at = (unsigned)strtoul(values[i + 1], NULL, 10);
    else if (strcmp(values[i], "--stuck-at") == 0) fake_options.stuck_at = (unsigned)strtoul(values[i + 1], NULL, 10);
    else return 0;
  }
  const struct fake_options *given = &fake_options;
  return given->store != NULL && given->clock != NULL && given->seed != NULL && given->applets != NULL;
}

int main(int count, char **values) {
  if (!read_options(count, values)) return EXIT_MISTAKE;
  seeded_random_start(fake_options.seed);
  main_task = pthread_self();
  app_main();
  return EXIT_SUCCESS;
}
