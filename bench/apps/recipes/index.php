<?php
// For php-fpm. GET / answers with the worker's pid.
usleep(10000);
$body = getmypid() . "\n";
header('Content-Length: ' . strlen($body));
echo $body;
