package strategic
