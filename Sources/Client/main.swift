print("segctl")
