"""What drivers share whose machines are guests: layout, identity, cloud-init, a network switch."""
