# Ruby's xmlrpc, below OpenNebula's own command line.
require "json"
require "xmlrpc/client"

client = XMLRPC::Client.new2(ARGV[0])
client.http_header_extra = { "accept-encoding" => "identity" }
$stdout.sync = true
$stdin.each_line do |line|
  call = JSON.parse(line)
  begin
    puts JSON.generate("answer" => client.call(call["method"], *call["arguments"].map { |_, value| value }))
  rescue XMLRPC::FaultException => e
    puts JSON.generate("fault" => [e.faultCode, e.faultString])
  end
end
