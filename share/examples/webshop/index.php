<?php
// One page that needs all three: this server, PHP, and the database, which counts.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
header("Content-Type: text/plain");
try {
    $db = new mysqli(getenv("SHOP_DB"), "shop", getenv("SHOP_PASSWORD"), "shop");
    $db->query("UPDATE visits SET number = LAST_INSERT_ID(number + 1)");
    printf("Welcome to the shop. You are visitor %d.\n", $db->insert_id);
} catch (mysqli_sql_exception $problem) {
    http_response_code(503);
    echo "The shop has no database: ", $problem->getMessage(), "\n";
}
