/* What both chips have alike: random bytes, time, and which applets are theirs. */

#include "boards/board.h"
#include "boards/common/listed.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "sdkconfig.h"
#include "wasm/applets.h"

#define US_PER_MS 1000

/* main.c has turned the entropy source on. */
enum board_random_source board_random_source(void) {
  return BOARD_RANDOM_FIT;
}

bool board_random(uint8_t block[BOARD_RANDOM_BLOCK_BYTES]) {
  esp_fill_random(block, BOARD_RANDOM_BLOCK_BYTES);
  return true;
}

uint64_t board_time_ms(void) {
  return (uint64_t)(esp_timer_get_time() / US_PER_MS);
}

bool board_has_applet(uint32_t applet) {
  for (uint32_t i = 0; i < applets_count; i++) {
    if (applet_number(i) == applet) return is_listed(CONFIG_TALLYSTICK_APPLETS, applet_name(i));
  }
  return false;
}
