<?php
// PHP's xmlrpc.
$options = ['encoding' => 'utf-8', 'escaping' => ['markup']];
while (($line = fgets(STDIN)) !== false) {
    $call = json_decode($line, true);
    $values = array_map(fn($argument) => $argument[1], $call['arguments']);
    $context = stream_context_create(['http' => ['method' => 'POST', 'header' => 'Content-Type: text/xml',
        'content' => xmlrpc_encode_request($call['method'], $values, $options)]]);
    $answer = xmlrpc_decode(file_get_contents($argv[1], false, $context), 'utf-8');
    $fault = is_array($answer) && xmlrpc_is_fault($answer);
    echo json_encode($fault ? ['fault' => [$answer['faultCode'], $answer['faultString']]] : ['answer' => $answer]), "\n";
}
